"""The parts of the exam's benchmark: the questions, the ways to answer them, the limit, the memory."""
