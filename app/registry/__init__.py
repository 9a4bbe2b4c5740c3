"""Models, their versions and what is behind them: the rules."""
