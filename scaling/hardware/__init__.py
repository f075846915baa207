"""The machine as it is: devices, processors, versions, and the catalogue of accelerators. No torch."""
