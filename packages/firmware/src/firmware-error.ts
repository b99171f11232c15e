/** Firmware unsuitable for launching guests. `found` is the fault, `remedy` what to do. */
export class FirmwareError extends Error {
  readonly expected: string
  readonly found: string
  readonly remedy: string

  constructor(o: { message: string; expected: string; found: string; remedy: string }) {
    super(o.message)
    this.name = 'FirmwareError'
    this.expected = o.expected
    this.found = o.found
    this.remedy = o.remedy
  }
}
