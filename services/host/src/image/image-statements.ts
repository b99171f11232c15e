import type { ImageRecord } from '@strongroom/contract'
import type { BootRegisters, ImageMeasurements } from '@strongroom/evidence/expected'

/** An image as far as it is measured. */
export type MeasurableImage = Pick<ImageRecord, 'path' | 'id' | 'name' | 'version' | 'source'>

/** What the installation has signed about its images. Nothing is signed because somebody asks for it. */
export interface ImageStatements {
  /**
   * The document that predicts these registers; otherwise the current one, with which a verifier detects the mismatch.
   * Undefined if nothing was ever signed about the image.
   */
  predicting(image: MeasurableImage, o: { registers: BootRegisters; secureBoot: boolean }): Promise<string | undefined>
  /** What new VMs of the image are made of. @throws ServiceError ImageNotSigned */
  of(image: MeasurableImage): Promise<ImageMeasurements>
  /** After a restore whose every byte was compared with its owner's manifest; absent where nothing is restored. */
  sign?(image: MeasurableImage): Promise<string>
}
