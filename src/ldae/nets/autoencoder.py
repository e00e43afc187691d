"""The KL autoencoder that makes latents of volumes, and its discriminator (networks of MONAI)."""

from monai.networks.nets.autoencoderkl import AutoencoderKL
from monai.networks.nets.patchgan_discriminator import PatchDiscriminator
from torch import Tensor, nn


class Autoencoder(nn.Module):
    """Volumes to a Gaussian posterior over latents, and back (Rombach et al. 2022, no attention).

    `initial_log_variance` starts the posterior at that log variance everywhere, instead of at the
    library's random one near 0 whose noise drowns the first few hundred steps.
    """

    def __init__(
        self,
        *,
        channels: tuple[int, ...],
        latent_channels: int,
        res_blocks: int,
        norm_groups: int,
        initial_log_variance: float | None,
    ) -> None:
        super().__init__()
        self.latent_channels = latent_channels
        self.downsampling = 2 ** (len(channels) - 1)
        self.network = AutoencoderKL(
            spatial_dims=3,
            in_channels=1,
            out_channels=1,
            num_res_blocks=[res_blocks] * len(channels),
            channels=tuple(channels),
            attention_levels=[False] * len(channels),
            latent_channels=latent_channels,
            norm_num_groups=norm_groups,
            with_encoder_nonlocal_attn=False,
            with_decoder_nonlocal_attn=False,
        )
        if initial_log_variance is not None:
            head = self.network.quant_conv_log_sigma.conv
            nn.init.zeros_(head.weight)
            nn.init.constant_(head.bias, initial_log_variance)

    @property
    def blocks(self) -> list[nn.Module]:
        """What most of the memory is spent in (see `recompute_activations`)."""
        return [*self.network.encoder.blocks, *self.network.decoder.blocks]

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (B, C, X/f, Y/f, Z/f) of the latent of x (B, 1, X, Y, Z).

        Raises ValueError where an axis of `x` is not a multiple of `downsampling`.
        """
        self.latent_shape(tuple(x.shape[2:]))
        mean, std = self.network.encode(x)
        return mean, std

    def decode(self, z: Tensor) -> Tensor:
        """The volume (B, 1, X, Y, Z) of an unscaled latent; not confined to [0, 1]."""
        volume: Tensor = self.network.decode(z)
        return volume

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruction from mean + std * noise, mean, std; noise is shaped like the latent."""
        mean, std = self.encode(x)
        return self.decode(mean + std * noise), mean, std

    def latent_shape(self, volume_shape: tuple[int, ...]) -> tuple[int, ...]:
        """(latent_channels, X/f, Y/f, Z/f) of volumes (X, Y, Z)."""
        if any(size % self.downsampling for size in volume_shape):
            raise ValueError(
                f"volume of size {volume_shape}: axes must be multiples of {self.downsampling}"
            )
        return (self.latent_channels, *(size // self.downsampling for size in volume_shape))


def build_discriminator(*, channels: int, layers: int) -> nn.Module:
    """Patch discriminator (Isola et al. 2017) on (B, 1, X, Y, Z); gives a list, the scores last."""
    discriminator: nn.Module = PatchDiscriminator(
        spatial_dims=3, channels=channels, in_channels=1, out_channels=1, num_layers_d=layers
    )
    return discriminator
