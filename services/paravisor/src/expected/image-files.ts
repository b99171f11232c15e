/** Names inside an image's directory. */
export const imageFiles = {
  disk: 'disk.raw',
  record: 'image.json',
  /** The unified kernel image on the ESP; predictions are computed from it. */
  boot: 'boot.efi',
  /** Certificates for db, so that the firmware accepts the boot file; PEM, may be empty. */
  certificates: 'db.pem',
} as const
