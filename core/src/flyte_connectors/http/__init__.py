"""What a connector of a REST service needs."""
