"""Long jobs of agents: what others do about them, and trajectories of other shapes."""
