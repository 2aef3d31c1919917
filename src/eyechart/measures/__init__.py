"""What the answers mean: accuracy and its company, with intervals from a bootstrap over contents."""
