"""What a run will take, before it begins: work, time, memory and disk; and, after it, what it took."""
