"""The service over real sockets, in this process and in processes of its own."""
