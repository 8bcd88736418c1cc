"""Stands in for ament_index_python, which launch needs and not every Python here has."""
