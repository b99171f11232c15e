/** Values of an image definition's feature SecurityType. Azure's documentation and tools vary their case. */
export const securityFeatures = [
  'ConfidentialVM',
  'ConfidentialVmSupported',
  'TrustedLaunch',
  'TrustedLaunchSupported',
  'TrustedLaunchAndConfidentialVmSupported',
  'Standard',
] as const
export type SecurityFeature = (typeof securityFeatures)[number]
