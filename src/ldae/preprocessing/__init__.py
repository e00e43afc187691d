"""From a raw T1-weighted image to a brain in template space: the only room that imports ANTs."""
