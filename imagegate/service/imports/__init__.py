"""Imports of images, on request and scheduled."""
