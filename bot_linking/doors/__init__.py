"""What every inbound door shares: how a body is read, how calls are counted, how the doors are described."""
