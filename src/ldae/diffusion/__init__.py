"""The diffusion process: noise schedule, shifted scores, DDIM and losses, on tensors alone."""
