//! Tests of the codecs through their public face.
