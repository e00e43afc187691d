import pytest
import torch

from ldae.nets.autoencoder import Autoencoder, build_discriminator

SMALL = {"channels": (4, 8), "latent_channels": 3, "res_blocks": 1, "norm_groups": 2}


def test_latents_are_smaller_by_the_factor_and_volumes_come_back() -> None:
    network = Autoencoder(**SMALL, initial_log_variance=None)
    x = torch.rand(2, 1, 8, 6, 4)
    mean, std = network.encode(x)
    assert network.downsampling == 2
    assert mean.shape == std.shape == (2, *network.latent_shape((8, 6, 4))) == (2, 3, 4, 3, 2)
    assert (std > 0).all()
    assert network.decode(mean).shape == x.shape


@pytest.mark.parametrize("log_variance", [-12.0, 0.5])
def test_the_posterior_starts_at_the_given_variance_everywhere(log_variance: float) -> None:
    network = Autoencoder(**SMALL, initial_log_variance=log_variance)
    _, std = network.encode(torch.rand(1, 1, 8, 8, 8))
    torch.testing.assert_close(std.square().log(), torch.full_like(std, log_variance))


def test_forward_decodes_the_mean_moved_by_the_noise() -> None:
    network = Autoencoder(**SMALL, initial_log_variance=-2.0).eval()
    x, noise = torch.rand(1, 1, 8, 8, 8), torch.randn(1, 3, 4, 4, 4)
    reconstruction, mean, std = network(x, noise)
    assert torch.equal(reconstruction, network.decode(mean + std * noise))


def test_sizes_that_do_not_divide_are_refused() -> None:
    network = Autoencoder(**SMALL, initial_log_variance=None)
    with pytest.raises(ValueError, match="multiples of 2"):
        network.encode(torch.rand(1, 1, 8, 7, 8))


def test_the_discriminator_scores_patches() -> None:
    scores = build_discriminator(channels=4, layers=2)(torch.rand(1, 1, 24, 32, 24))[-1]
    assert scores.shape[:2] == (1, 1)
    assert scores[0, 0].numel() > 1
