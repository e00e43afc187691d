"""Model folders (safetensors beside their settings) and adapters for weights trained elsewhere."""
