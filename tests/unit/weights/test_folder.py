import json
from pathlib import Path

import pytest
import torch
from torch import nn

from ldae import __version__
from ldae.errors import UserError
from ldae.runtime import note_read, sha256, watching
from ldae.weights.folder import load_model_config, load_part, load_weights, save_model


def _network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv3d(1, 4, 3), nn.BatchNorm3d(4))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    network = _network()
    save_model(tmp_path / "m", module_state=network.state_dict(), config={"network": {"width": 4}})
    return tmp_path / "m"


def test_weights_and_configuration_come_back(folder: Path) -> None:
    network = _network(seed=1)
    load_weights(folder, network)
    expected = _network().state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in network.state_dict().items())
    config = load_model_config(folder)
    assert config["network"] == {"width": 4}
    assert config["made_with"]["ldae"] == __version__
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "weights.safetensors"]


def test_the_same_weights_make_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    state = dict(reversed(_network().state_dict().items()))
    save_model(tmp_path / "again", module_state=state, config={"network": {"width": 4}})
    for name in ("weights.safetensors", "config.json"):
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_the_configuration_says_of_what_and_how_the_weights_were_made(tmp_path: Path) -> None:
    source = tmp_path / "cohort/scans.parquet"
    source.parent.mkdir()
    source.write_bytes(b"scans")
    with watching("1a2b"):
        note_read(source)
        save_model(tmp_path / "models/m", module_state=_network().state_dict(), config={})
    config = load_model_config(tmp_path / "models/m")
    assert config["inputs"] == {"../../cohort/scans.parquet": sha256(source)}
    assert config["settings_hash"] == "1a2b"
    assert config["made_with"].keys() == {"ldae", "commit"}


def test_the_weights_hold_nothing_but_weights(folder: Path, tmp_path: Path) -> None:
    with watching("1a2b"):
        note_read(folder / "config.json")
        save_model(tmp_path / "n", module_state=_network().state_dict(), config={})
    weights = [place / "weights.safetensors" for place in (folder, tmp_path / "n")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_tensors_laid_out_otherwise_are_saved_alike(tmp_path: Path) -> None:
    network = _network().to(memory_format=torch.channels_last_3d)
    save_model(tmp_path, module_state=network.state_dict(), config={})
    again = _network(seed=1)
    load_weights(tmp_path, again)
    assert torch.equal(again[0].weight, network[0].weight)


def test_several_networks_share_a_folder(tmp_path: Path) -> None:
    saved = nn.ModuleDict({"a": _network(1), "b": _network(2)})
    save_model(tmp_path, module_state=saved.state_dict(), config={})
    loaded = nn.ModuleDict({"a": _network(3), "b": _network(4)})
    load_weights(tmp_path, loaded)
    assert torch.equal(loaded["b"][0].weight, saved["b"][0].weight)


def test_keys_that_do_not_fit_are_named_and_nothing_is_loaded(tmp_path: Path) -> None:
    state = _network().state_dict()
    state["extra"] = state.pop("0.bias")
    state["1.bias"] = torch.zeros(5)
    save_model(tmp_path, module_state=state, config={})
    network = _network(seed=1)
    before = network[0].weight.clone()
    with pytest.raises(UserError) as error:
        load_weights(tmp_path, network)
    message = str(error.value)
    assert str(tmp_path) in message
    assert "missing: 0.bias" in message
    assert "unexpected: extra" in message
    assert "of another shape: 1.bias" in message
    assert torch.equal(network[0].weight, before)


def test_one_of_several_networks_is_loaded_alone(tmp_path: Path) -> None:
    both = torch.nn.ModuleDict({"one": _network(), "other": _network(seed=1)})
    save_model(tmp_path, module_state=both.state_dict(), config={})
    alone = _network(seed=2)
    load_part(tmp_path, alone, name="other")
    for name, tensor in both["other"].state_dict().items():
        assert torch.equal(alone.state_dict()[name], tensor)
    with pytest.raises(UserError, match="third: does not fit"):
        load_part(tmp_path, alone, name="third")


def test_a_damaged_file_is_refused(folder: Path) -> None:
    weights = folder / "weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-8])  # cut short
    with pytest.raises(UserError, match="damaged"):
        load_weights(folder, _network())
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))  # one bit
    with pytest.raises(UserError, match="not the weights its config"):
        load_weights(folder, _network())


@pytest.mark.parametrize("name", ["weights.safetensors", "config.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(UserError, match=f"{folder}: no {name}"):
        load_weights(folder, _network())


@pytest.mark.parametrize("text", ["{", "[]", "\xff"])
def test_a_configuration_that_is_not_one_is_refused(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match=str(folder)):
        load_model_config(folder)


def test_a_failed_write_leaves_the_old_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def broken(_tensors: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("ldae.weights.folder.save_file", broken)
    with pytest.raises(OSError, match="disk full"):
        save_model(folder, module_state=_network(1).state_dict(), config={})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert json.loads(before["config.json"])["network"] == {"width": 4}
