"""What is kept between evaluations: the embedded store and, later, the queue and the freeze."""
