"""Measures of images, of linear probes, and their uncertainty over subjects."""
