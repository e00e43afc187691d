"""Every method gives the brain it should, and names what is wrong with what it was given."""

import sys
from types import ModuleType, SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from ldae.errors import UserError
from ldae.preprocessing.bias import correct_bias
from ldae.preprocessing.brain import dice
from ldae.preprocessing.extraction import extract_brain
from ldae.preprocessing.failure import ScanError
from ldae.preprocessing.images import Image, resample
from ldae.preprocessing.network_brain import FILES, fetch_network, network_files
from ldae.preprocessing.source import find_aids


@pytest.fixture(scope="module")
def corrected(head, settings) -> Image:
    return correct_bias(head[0], settings.bias)


def by(settings, method, **more):
    return settings.brain.model_copy(update={"method": method, **more})


def save(mask, affine, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.asarray(mask), affine), path)
    return path


@pytest.mark.parametrize("inverted", ["in the head", "in the brain"])
def test_swapped_light_and_dark_is_no_t1(head, settings, inverted):
    image, truth = head
    where = image.data > 0.15 if inverted == "in the head" else truth
    swapped = image.with_data(np.where(where, 1.1 - image.data, image.data))
    with pytest.raises(ScanError, match=r"^wrong-contrast: light and dark are swapped"):
        extract_brain(correct_bias(swapped, settings.bias), settings.brain)


def test_a_head_that_is_cut_below_its_vertex_is_called_so(corrected, settings):
    low = Image(corrected.data[:, :, :28], corrected.affine)
    with pytest.raises(ScanError, match=r"^cut-head: the image ends below the vertex"):
        extract_brain(low, settings.brain)


def test_template_finds_the_brain(head, corrected, settings):
    brain = extract_brain(corrected, settings.brain)
    assert dice(brain.mask.data > 0, head[1]) > 0.93
    assert ndimage.label(brain.mask.data)[1] == 1


class TestStripped:
    def test_a_stripped_brain_is_taken_as_it_is(self, head, corrected, settings):
        image, truth = head
        stripped = corrected.with_data(np.where(truth, image.data + 0.01, 0))
        brain = extract_brain(stripped, by(settings, "none"))
        np.testing.assert_array_equal(brain.mask.data > 0, truth)

    def test_a_noisy_head_is_not_taken_for_stripped(self, corrected, settings):
        with pytest.raises(ScanError, match=r"^not-stripped: "):
            extract_brain(corrected, by(settings, "none"))

    def test_nor_is_a_head_in_clean_air(self, corrected, settings):
        clean = corrected.with_data(np.where(corrected.data > 0.05, corrected.data, 0))
        with pytest.raises(ScanError, match=r"^brain-implausible: \d{4} ml"):
            extract_brain(clean, by(settings, "none"))


class TestMask:
    def test_on_the_same_grid_it_is_used_as_it_is(self, head, corrected, settings, tmp_path):
        path = save(head[1].astype(np.uint8), corrected.affine, tmp_path / "m.nii.gz")
        brain = extract_brain(corrected, by(settings, "mask"), (path,))
        np.testing.assert_array_equal(brain.mask.data > 0, head[1])

    @pytest.mark.parametrize("scale", [1, 255])
    def test_on_another_grid_it_is_resampled(self, head, corrected, settings, tmp_path, scale):
        finer = np.diag([3.0, 2.5, 3.5, 1.0])
        finer[:3, 3] = corrected.affine[:3, 3]
        grid = Image(np.zeros((79, 108, 68), np.float32), finer)
        mask = resample(corrected.with_data(head[1]), grid).data > 0.5
        stored = nib.Nifti1Image((mask * scale).astype(np.uint8), finer)
        turned = stored.as_reoriented(nib.orientations.axcodes2ornt("LPI"))
        nib.save(turned, tmp_path / "m.nii.gz")
        brain = extract_brain(corrected, by(settings, "mask"), (tmp_path / "m.nii.gz",))
        assert dice(brain.mask.data > 0, head[1]) > 0.97

    @pytest.mark.parametrize("fault", ["empty", "labels", "elsewhere", "tiny", "cut", "series"])
    def test_what_cannot_be_the_mask_is_named(self, head, corrected, settings, tmp_path, fault):
        mask, affine = head[1].astype(np.uint8), corrected.affine.copy()
        words = {
            "empty": "bad-mask: m.nii.gz is empty",
            "labels": "bad-mask: m.nii.gz has 3 labels",
            "elsewhere": "bad-mask: m.nii.gz: only",
            "tiny": "brain-implausible: ",
            "cut": "bad-mask: m.nii.gz: unreadable",
            "series": "bad-mask: m.nii.gz: not-3d",
        }
        if fault == "empty":
            mask[:] = 0
        elif fault == "labels":
            mask[:20] *= 2
            mask[40:] *= 3
        elif fault == "elsewhere":
            affine[2, 3] += 120
        elif fault == "tiny":
            mask[:, :, ::2] = mask[:, ::2] = 0
        elif fault == "series":
            mask = np.stack([mask] * 2, axis=-1)
        path = save(mask, affine, tmp_path / "m.nii.gz")
        if fault == "cut":
            path.write_bytes(path.read_bytes()[:500])
        with pytest.raises(ScanError, match=f"^{words[fault]}"):
            extract_brain(corrected, by(settings, "mask"), (path,))


class TestFindingMasks:
    IMAGE = "sub-A/ses-1/anat/sub-A_ses-1_acq-x_T1w.nii.gz"

    def find(self, root, settings, names, masks=None):
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        found = find_aids(root / self.IMAGE, by(settings, "mask", masks=masks), None)
        return found[0].relative_to(root).as_posix()

    @pytest.mark.parametrize(
        "name",
        [
            "sub-A_ses-1_acq-x_desc-brain_mask.nii.gz",
            "sub-A_ses-1_desc-brain_mask.nii",
            "sub-A_ses-1_space-T1w_desc-brain_mask.nii.gz",
            "sub-A_ses-1_run-1_desc-brain_mask.nii.gz",
        ],
    )
    def test_beside_the_image(self, tmp_path, settings, name):
        others = [
            "sub-A_ses-1_space-MNI152NLin2009cAsym_desc-brain_mask.nii.gz",
            "sub-A_ses-1_acq-y_desc-brain_mask.nii.gz",
            "sub-A_ses-2_desc-brain_mask.nii.gz",
            "sub-A_ses-1_desc-lesion_mask.nii.gz",
        ]
        folder = "sub-A/ses-1/anat/"
        found = self.find(tmp_path, settings, [folder + other for other in (name, *others)])
        assert found == folder + name

    def test_in_a_dataset_of_masks(self, tmp_path, settings):
        name = "masks/sub-A/ses-1/anat/sub-A_ses-1_desc-brain_mask.nii.gz"
        assert self.find(tmp_path, settings, [name], str(tmp_path / "masks")) == name

    def test_of_several_the_one_with_the_same_entities(self, tmp_path, settings):
        names = [
            f"sub-A/ses-1/anat/sub-A_ses-1_acq-x{more}_desc-brain_mask.nii.gz"
            for more in ("", "_run-1", "_run-2")
        ]
        assert self.find(tmp_path, settings, names) == names[0]

    def test_an_image_without_entities_has_the_mask_of_its_name(self, tmp_path, settings):
        for name in ("one_desc-brain_mask.nii.gz", "two_desc-brain_mask.nii.gz"):
            (tmp_path / name).touch()
        method = by(settings, "mask")
        assert find_aids(tmp_path / "two_T1w.nii.gz", method, None) == (tmp_path / name,)
        with pytest.raises(ScanError, match=r"^no-mask: no mask in "):
            find_aids(tmp_path / "three.nii.gz", method, None)

    def test_none_and_too_many_are_named(self, tmp_path, settings):
        with pytest.raises(ScanError, match=r"^no-mask: no mask in .*ses-1/anat for sub-A"):
            self.find(tmp_path, settings, [])
        names = [f"sub-A/ses-1/anat/sub-A_ses-1_run-{n}_desc-brain_mask.nii.gz" for n in "12"]
        with pytest.raises(ScanError, match=r"^no-mask: 2 masks fit in "):
            self.find(tmp_path, settings, names)


class TestNetwork:
    """ANTsPyNet itself is installed where its environment is; here a stand-in keeps its place."""

    @pytest.fixture
    def antspynet(self, monkeypatch):
        """Gives a threshold for a probability, and counts on files as ANTsPyNet does."""
        module = ModuleType("antspynet")
        module.cache = None
        module.utilities = SimpleNamespace(
            set_antsxnet_cache_directory=lambda folder: setattr(module, "cache", folder)
        )

        def fetch(suffix):
            def download(name):
                path = f"{module.cache}/{name}{suffix}"
                with open(path, "w") as file:
                    file.write(name)
                return path

            return download

        module.get_pretrained_network = fetch(".h5")
        module.get_antsxnet_data = fetch(".nii.gz")
        monkeypatch.setitem(sys.modules, "antspynet", module)
        return module

    def test_its_probability_is_cut_at_one_half(self, head, corrected, settings, antspynet):
        image, truth = head
        asked = []

        def brain_extraction(ants_image, modality):
            asked.append((modality, antspynet.cache, ants_image.shape))
            probability = np.where(truth, 0.6, 0.4).astype(np.float32)
            probability[2:4, 2:4, 2:4] = 0.9  # a stray part
            probability[30, 34, 30] = 0.1  # a hole
            return ants_image.new_image_like(probability)

        antspynet.brain_extraction = brain_extraction
        aids = tuple(SimpleNamespace(parent="weights") for _ in FILES)
        brain = extract_brain(corrected, by(settings, "antspynet"), aids)
        np.testing.assert_array_equal(brain.mask.data > 0, truth)
        assert asked == [("t1", "weights", image.data.shape)]

    def test_files_are_fetched_once_whole_and_found_again(self, tmp_path, settings, antspynet):
        fetch_network(tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
        assert network_files(tmp_path) == find_aids(tmp_path, by(settings, "antspynet"), tmp_path)

    def test_a_failing_download_says_so_and_leaves_nothing(self, tmp_path, antspynet):
        def fail(_):
            raise Exception("no route to host")  # noqa: TRY002  (Keras raises it so)

        antspynet.get_pretrained_network = fail
        with pytest.raises(UserError, match=r"\.h5 cannot be downloaded: no route to host"):
            fetch_network(tmp_path)
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("folder", [None, "empty"])
    def test_missing_files_say_how_to_get_them(self, tmp_path, settings, folder):
        place = None if folder is None else tmp_path
        with pytest.raises(UserError, match="ldae fetch-brain-network"):
            find_aids(tmp_path, by(settings, "antspynet"), place)

    def test_a_missing_package_says_what_to_install(self, corrected, settings, monkeypatch):
        monkeypatch.setitem(sys.modules, "antspynet", None)
        with pytest.raises(UserError, match=r"antspynet.*envs/antspynet\.yaml"):
            extract_brain(corrected, by(settings, "antspynet"), (SimpleNamespace(parent=""),) * 2)
