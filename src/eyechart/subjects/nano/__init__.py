"""The built-in subject: DINOv2-small, an MLP projector and SmolLM2-135M-Instruct in one checkpoint."""
