"""A model of OpenVINO's CPU plugin: how it counts processors and divides them among streams."""
