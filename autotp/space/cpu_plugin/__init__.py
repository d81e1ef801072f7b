"""OpenVINO's CPU plugin, modelled: how it counts processors and shares them among streams."""
