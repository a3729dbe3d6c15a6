"""What an operator relies on: who gets in, what is said about whom, and what a service survives."""
