"""What each library is observed to do: the contestants, what they guard, and the experiments."""
