"""Where pictures come from: photographs, drawn scenes, and published corpora of rated pictures."""
