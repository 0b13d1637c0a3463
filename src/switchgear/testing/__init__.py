"""What tests of the product and of its plug-ins share: contract suites for every seam, and fakes that are product."""
