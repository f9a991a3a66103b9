"""What the shop sells: catalog readers, encoders, vector and keyword stores, snapshots."""
