//! RADIUS over loopback sockets.
