"""What a run costs before it is run: energy, carbon and money, each assumption named."""
