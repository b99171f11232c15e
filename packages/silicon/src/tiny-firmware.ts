import { ByteWriter, parseGuid } from '@strongroom/evidence'

/** The smallest image that SNP can start: one page with OVMF's table of GUIDs, SEV metadata and a reset block. */
export function tinyFirmware(fill = 0): Uint8Array {
  const metadata = new ByteWriter().u32le(0x56455341).u32le(28).u32le(1).u32le(1).u32le(0x800000).u32le(0x1000).u32le(1)
  const table = new ByteWriter()
  const entry = (guid: string, value: number): void => {
    table.u32le(value).u16le(22).bytes(parseGuid(guid))
  }
  entry('dc886566-984a-4798-a75e-5585a7bf67cc', 4096)
  entry('00f771de-1a7e-4fcb-890e-68c77e2fb44e', 0x80b004)
  table.u16le(table.length + 18).bytes(parseGuid('96b582de-1fb2-45f7-baea-a366c55a082d'))
  const body = metadata.finish()
  return new ByteWriter()
    .bytes(body)
    .bytes(new Uint8Array(4096 - 32 - body.length - table.length).fill(fill))
    .bytes(table.finish())
    .zero(32)
    .finish()
}
