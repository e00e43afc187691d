"""Files as the original's code writes them, small, to our model folders and back."""

import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
import yaml
from torch import Tensor, nn

from ldae.cli import main
from ldae.errors import UserError
from ldae.models.autoencoder import build_autoencoder, load_autoencoder
from ldae.models.build import build_noise_predictor, build_semantic_encoder
from ldae.models.ldae import load_ldae
from ldae.models.ldm import load_ldm
from ldae.nets.gradient_estimator import ShiftedNoisePredictor
from ldae.settings import load_settings
from ldae.stages.export_weights import export_weights
from ldae.stages.import_weights import Settings, import_weights
from ldae.stages.reconstruct import reconstruct
from ldae.weights.original import TRANSLATIONS
from ldae.weights.release import FILES, with_copies, write_networks

SHAPE = (8, 12, 8)
SMALL = {
    "preprocessing": {"grid": {"shape": list(SHAPE), "spacing_mm": 20.0}},
    "autoencoder": {"network": {"channels": [32, 32], "res_blocks": 1}},
    "ldm": {
        "network": {
            "base_channels": 32,
            "multipliers": [1, 2],
            "res_blocks": 1,
            "attention_at": [2],
        }
    },
    "ldae": {
        "semantic_encoder": {
            "widths": [8, 16],
            "depths": [1, 1],
            "embedding_dim": 16,
        }
    },
}
States = dict[str, dict[str, Tensor]]


@pytest.fixture(scope="module")
def settings_files(project: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    small = tmp_path_factory.mktemp("settings") / "small.yaml"
    small.write_text(yaml.safe_dump(SMALL))
    return [str(project / "config" / f"{name}.yaml") for name in ("config", "original")] + [
        str(small)
    ]


@pytest.fixture(scope="module")
def settings(settings_files: list[str]) -> Settings:
    return load_settings(Settings, *settings_files)


@pytest.fixture(scope="module")
def networks(settings: Settings) -> dict[str, nn.Module]:
    torch.manual_seed(0)
    base = build_noise_predictor(settings.ldm.network, 3)
    made = {
        "autoencoder": build_autoencoder(settings.autoencoder.network),
        "shifted_noise_predictor": ShiftedNoisePredictor(base, 16),
        "semantic_encoder": build_semantic_encoder(settings.ldae.semantic_encoder, SHAPE),
    }
    for parameter in made["shifted_noise_predictor"].parameters():
        nn.init.normal_(parameter, std=0.02)
    return {name: network.eval() for name, network in made.items()}


@pytest.fixture(scope="module")
def states(networks: dict[str, nn.Module]) -> States:
    """The networks as the original holds them."""
    return {
        name: TRANSLATIONS[name].to_original(each.state_dict()) for name, each in networks.items()
    }


@pytest.fixture
def released(states: States, tmp_path: Path) -> list[Path]:
    write_networks(tmp_path, states, slices=SHAPE[2])
    return [tmp_path / file for file in FILES.values()]


def _checkpoint(path: Path, **parts: dict[str, Tensor]) -> Path:
    state = {f"{part}.{key}": t for part, own in parts.items() for key, t in own.items()}
    torch.save({"epoch": 1, "state_dict": state, "hyper_parameters": {"lr": 1e-4}}, path)
    return path


def _off(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: tensor + 1 for key, tensor in state.items()}


def test_the_release_computes_what_its_networks_do(
    released: list[Path], networks: dict[str, nn.Module], settings: Settings, tmp_path: Path
) -> None:
    import_weights(released, models=tmp_path / "models", settings=settings)
    model = load_ldae(tmp_path / "models", device=torch.device("cpu"))
    x, z = torch.rand(1, 1, *SHAPE), torch.randn(1, 3, 4, 6, 4)
    with torch.no_grad():
        y = networks["semantic_encoder"](x)
        assert torch.equal(model.encode(x), y)
        assert torch.equal(model.to_latent(x), networks["autoencoder"].encode(x)[0] * 0.8730)
        expected = networks["shifted_noise_predictor"](z, torch.tensor([500]), y)
        for ours, theirs in zip(model.shifted(z, torch.tensor([500]), y), expected, strict=True):
            assert torch.equal(ours, theirs)
    assert (model.volume_shape, model.spacing_mm) == (SHAPE, (20.0, 20.0, 20.0))
    record = json.loads((tmp_path / "models" / "ldae" / "config.json").read_text())
    assert list(record["imported_from"]) == list(FILES.values())
    assert record["settings"]["sampling"]["clip"] == 1.0


def test_files_come_back_as_they_were(
    released: list[Path], settings: Settings, tmp_path: Path
) -> None:
    import_weights(released, models=tmp_path / "models", settings=settings)
    export_weights(models=tmp_path / "models", output=tmp_path / "back")
    for path in released:
        there, back = (torch.load(each) for each in (path, tmp_path / "back" / path.name))
        assert back.keys() == there.keys()
        assert all(torch.equal(tensor, there[key]) for key, tensor in back.items())


def test_a_checkpoint_of_the_representation_gives_its_averages(
    released: list[Path], states: States, settings: Settings, tmp_path: Path
) -> None:
    decoder = states["shifted_noise_predictor"]
    encoder = with_copies(states["semantic_encoder"], slices=SHAPE[2])
    positions = {"positional_encoding.pe": encoder["positional_encoding.pe"]}
    checkpoint = _checkpoint(
        tmp_path / "last.ckpt",
        vae=states["autoencoder"],
        encoder=_off(encoder) | positions,
        decoder=_off(decoder),
        ema_encoder=encoder,
        ema_decoder=decoder,
    )
    for files, name in (([checkpoint], "one"), (released, "several")):
        import_weights(files, models=tmp_path / name, settings=settings)
    for network in ("autoencoder", "ldm", "ldae"):
        one, several = (
            (tmp_path / name / network / "weights.safetensors").read_bytes()
            for name in ("one", "several")
        )
        assert one == several


def test_a_checkpoint_of_the_pre_training_gives_two_folders(
    networks: dict[str, nn.Module], states: States, settings: Settings, tmp_path: Path
) -> None:
    base = networks["shifted_noise_predictor"].base
    unet = TRANSLATIONS["noise_predictor"].to_original(base.state_dict())
    checkpoint = _checkpoint(
        tmp_path / "last.ckpt", vae=states["autoencoder"], unet=_off(unet), ema_unet=unet
    )
    import_weights([checkpoint], models=tmp_path / "models", settings=settings)
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["autoencoder", "ldm"]
    ldm = load_ldm(tmp_path / "models" / "ldm", device=torch.device("cpu"))
    assert ldm.autoencoder == load_autoencoder(tmp_path / "models" / "autoencoder").weights
    z, t = torch.randn(1, 3, 4, 6, 4), torch.tensor([500])
    with torch.no_grad():
        assert torch.equal(ldm.noise_predictor(z, t), base(z, t))


def test_from_the_command_line_to_a_reconstruction(
    released: list[Path], settings_files: list[str], tmp_path: Path
) -> None:
    models, scan = tmp_path / "models", tmp_path / "scan.nii.gz"
    files = [str(path) for path in released]
    with pytest.raises(SystemExit, match="0"):
        main(["import-weights", *files, "--models", str(models), "--settings", *settings_files])
    volume = np.random.default_rng(0).random(SHAPE, dtype=np.float32)
    nib.save(nib.Nifti1Image(volume, np.diag([20.0, 20.0, 20.0, 1.0])), scan)
    reconstruct([scan], models=models, output=tmp_path / "out", steps=2, devices=0)
    assert nib.load(tmp_path / "out" / "scan_reconstruction.nii.gz").shape == SHAPE


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ([], "found: nothing"),
        (["decoder.pth", "encoder.pth"], "found: shifted noise predictor, semantic encoder;"),
        (["autoencoderkl.pth", "encoder.pth"], "found: autoencoder, semantic encoder; needed"),
        (["autoencoderkl.pth", "autoencoderkl.pth"], "holds the autoencoder that .* holds too"),
    ],
)
def test_files_must_make_a_model(
    released: list[Path], settings: Settings, tmp_path: Path, kept: list[str], message: str
) -> None:
    files = [tmp_path / name for name in kept]
    with pytest.raises(UserError, match=message):
        import_weights(files, models=tmp_path / "models", settings=settings)
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("ldm: {network: {downsample: [2, 2, 2]}}", r"ldm.network.downsample \[1, 2, 2\], not"),
        ("ldm: {network: {heads: 2}}", "ldm.network.heads 1, not 2"),
        ("ldae: {semantic_encoder: {heads: 4}}", "ldae.semantic_encoder.heads 8, not 4"),
        ("diffusion: {beta_end: 0.03}", "diffusion.beta_end 0.02, not 0.03"),
    ],
)
def test_settings_of_another_form_are_refused(
    released: list[Path], settings_files: list[str], tmp_path: Path, change: str, message: str
) -> None:
    (tmp_path / "change.yaml").write_text(change)
    ours = load_settings(Settings, *settings_files, str(tmp_path / "change.yaml"))
    with pytest.raises(UserError, match=message):
        import_weights(released, models=tmp_path / "models", settings=ours)
    assert not (tmp_path / "models").exists()


def test_a_folder_in_use_is_left_alone(
    released: list[Path], settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine").touch()
    with pytest.raises(UserError, match="already there"):
        import_weights(released, models=tmp_path / "models", settings=settings)
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["mine"]


def test_models_of_another_form_or_scale_are_told_apart(
    released: list[Path],
    settings: Settings,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    models = tmp_path / "models"
    import_weights(released, models=models, settings=settings)
    _edit(models / "ldm" / "config.json", latent_scale=1.25)
    export_weights(models=models, output=tmp_path / "scaled")
    assert "scaled by 1.25: change the constant 0.8730" in caplog.text
    network = json.loads((models / "ldm" / "config.json").read_text())["network"]
    for key, value in {"downsample": [2, 2, 2], "heads": 2}.items():
        _edit(models / "ldm" / "config.json", network=network | {key: value})
        with pytest.raises(UserError, match=rf"ldm.network.{key} .*, not {re.escape(str(value))}"):
            export_weights(models=models, output=tmp_path / "other")
        assert not (tmp_path / "other").exists()


def _edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
