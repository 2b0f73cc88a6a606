"""What should be true on a host: one folder a component, its code and templates side by side."""
