"""Pure functions over tensors, one noun per file: no model, no device, no flags."""
