"""Latent diffusion autoencoders for brain MRI, from a raw ADNI download to every result."""

from importlib.metadata import version

__version__ = version("ldae")
