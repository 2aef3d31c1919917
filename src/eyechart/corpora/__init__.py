"""Where the pictures without distortion come from."""
