import { notHardened, type Code } from './compressed-code.ts'
import { eraseProgram, filesOf, findDriverVolume, withFiles } from './volume.ts'
import { placesOfLength } from './volume-length.ts'

/**
 * Drivers of OVMF that no guest uses, by their file names (edk2 OvmfPkg/OvmfPkgX64.fdf). A guest starts from one virtio
 * disk; the firmware ignores whatever else a host attaches.
 */
const unused = {
  // The host is at the other end of the cable: the network stack, with TLS, parses whatever it sends.
  DpcDxe: 'a210f973-229d-4f4d-aa37-9895e6c9eaba',
  SnpDxe: 'a2f436ea-a127-4ef8-957c-8048606ff670',
  VlanConfigDxe: 'e4f61863-fe2c-4b56-a8f4-08519bc439df',
  MnpDxe: '025bbfc7-e6a9-4b8b-82ad-6815a1aeaf4a',
  ArpDxe: '529d3f93-e8e9-4e73-b1e1-bdf6a9d50113',
  Dhcp4Dxe: '94734718-0bbc-47fb-96a5-ee7a5ae6a2ad',
  Ip4Dxe: '9fb1a1f3-3b71-4324-b39a-745cbb015fff',
  Udp4Dxe: '6d6963ab-906d-4a65-a7ca-bd40e5d6af2b',
  Mtftp4Dxe: 'dc3641b8-2fa8-4ed3-bc1f-f9962a03454b',
  Dhcp6Dxe: '95e3669d-34be-4775-a651-7ea41b69d89e',
  Ip6Dxe: '5bedb5cc-d830-4eb2-8742-2d4cc9b54f2c',
  Udp6Dxe: 'd912c7bc-f098-4367-92ba-e911083c7b0e',
  Mtftp6Dxe: '99f03b99-98d8-49dd-a8d3-3219d0ffe41e',
  TcpDxe: '1a7e4468-2f55-4a56-903c-01265eb7622b',
  UefiPxeBcDxe: 'b95e9fda-26de-48d2-8807-1f9107ac5e3a',
  TlsDxe: '3aceb0c0-3c72-11e4-9a56-74d435052646',
  TlsAuthConfigDxe: '7ca1024f-eb17-11e5-9dba-28d2447c4829',
  DnsDxe: 'b219e140-dffc-11e3-b956-0022681e6906',
  HttpDxe: '2366c20f-e15a-11e3-8bf1-e4115b28bc50',
  HttpUtilitiesDxe: '22ea234f-e72a-11e4-91f9-28d2447c4829',
  HttpBootDxe: 'ecebcb00-d9c8-11e4-af3d-8cdcd426c973',
  IScsiDxe: '86cddf93-4872-4597-8af9-a35ae4d3725f',
  VirtioNetDxe: 'a92cdb4b-82f1-4e0b-a516-8a655d371524',
  // Devices that no guest has.
  UhciDxe: '2fb92efa-2ee0-4bae-9eb6-7464125e1ef7',
  EhciDxe: 'bdfe430e-8f2a-4db0-9991-6f856594777e',
  XhciDxe: 'b7f50e91-a759-412c-ade4-dcd03e7f7c28',
  UsbBusDxe: '240612b7-a063-11d4-9a3a-0090273fc14d',
  UsbKbDxe: '2d2e62cf-9ecf-43b7-8219-94e7fc713dfe',
  UsbMassStorageDxe: '9fb4b4a7-42c0-4bcd-8540-9bcc6711f83e',
  Ps2KeyboardDxe: 'c4d1f932-821f-4744-bf06-6d30f7730f8d',
  VirtioKeyboardDxe: 'f141b1e5-9c7c-44cc-afaa-e87d7689b113',
  VirtioSerialDxe: '23cace14-eba4-49f6-9681-c697ff0b649e',
  SataController: '820c59bb-274c-43b2-83ea-dac673035a59',
  AtaAtapiPassThruDxe: '5e523cb4-d397-4986-87bd-a6dd8b22f455',
  AtaBusDxe: '19df145a-b1d4-453f-8507-38816676d7f6',
  NvmExpressDxe: '5be3bdf4-53cf-46a3-a6a9-73c34a6e5ee3',
  VirtioFsDxe: '7bd9ddf7-8b83-488e-aec9-24c78610289c',
  QemuVideoDxe: 'e3752948-b9a1-4770-90c4-df41c38986be',
  QemuRamfbDxe: 'dce1b094-7dc6-45d0-9fdd-d7fc3cc3e4ef',
  VirtioGpuDxe: 'd6099b94-cd97-4cc5-8714-7f6312701a8a',
  GraphicsConsoleDxe: 'cccb0c28-4b24-11d5-9a5a-0090273fc14d',
  BootGraphicsResourceTableDxe: 'b8e62775-bb0a-43f0-a843-5be8b14f8ccd',
  LogoDxe: 'f74d20ee-37e7-48fc-97f7-9b1047749c69',
  // Data disks: no guest starts from one.
  VirtioScsiDxe: 'fab5d4f4-83c0-4aaf-8480-442d11df6cea',
  ScsiBus: '0167ccc4-d0f7-4f21-a3ef-9e64b7cdce8b',
  ScsiDisk: '0a66e322-3740-4cce-ad62-bd172cecca35',
  UdfDxe: '905f13b0-8f91-4b0a-bd76-e1e78f9422e4',
  RamDiskDxe: '28a03ff4-12b3-4305-a417-bb1a4f94081e',
  // Random numbers of the host's: the kernel would credit them as a seed. RngDxe offers the processor's.
  VirtioRngDxe: '58e26f0d-cbac-4bba-b70f-18221415665a',
  // Menus: the host is at the keyboard.
  SetupBrowser: 'ebf342fe-b1d3-4ef8-957c-8048606ff671',
  DisplayEngine: 'e660ea85-058e-4b55-a54b-f02f83a24707',
  SecureBootConfigDxe: 'f0e6a44f-7195-41c3-ac64-54f202cd0a21',
  Tcg2ConfigDxe: '4d9cbef0-15a0-4d0c-83db-5213e710c23f',
  DriverHealthManagerDxe: 'ebf8ed7c-0dd1-4787-84f1-f48d537dcacf',
  PlatformDxe: 'd9dcc5df-4007-435e-9098-8970935504b2',
  // Programs of another processor, and the host’s kernel.
  EbcDxe: '13ac6dd0-73d0-11d4-b06b-00aa00bd6de7',
  QemuKernelLoaderFsDxe: '806040ca-dad9-4978-a3b4-2d2ab0c8a48f',
} as const

/** The menus' program stays as a file without code: the boot manager makes it a boot option, which is measured into PCR 1. */
const menus = inMemory('462caa21-7614-4503-836e-8ab6f4662331')
const unusedGuids = new Set(Object.values(unused).map(inMemory))
/** FFS_ATTRIB_DATA_ALIGNMENT and FFS_ATTRIB_DATA_ALIGNMENT_2. */
const dataAlignment = 0x3a

/**
 * Firmware without the drivers that no guest uses, and with a volume only as long as the others need: every byte is
 * unpacked, measured into PCR 0 and loaded at each boot.
 * @throws FirmwareError if the drivers' volume is not built like OVMF's: they would stay, where verifiers expect none
 */
export function withoutUnusedDrivers(o: Code): Code {
  const place = findDriverVolume(o.code)
  if (place === undefined) throw notHardened('no volume of drivers that can be read')
  const volume = o.code.subarray(place.offset, place.offset + place.length)
  const kept = filesOf(volume)?.filter(({ guid }) => !unusedGuids.has(guid))
  if (kept === undefined) throw notHardened('no volume of drivers that can be read')
  if (kept.some(({ attributes }) => (attributes & dataAlignment) !== 0))
    throw notHardened('a driver that wants its place in the volume aligned')
  const places = placesOfLength({ ...o, code: o.code.subarray(0, place.offset) }, place.length)
  const shorter = withFiles(volume, kept, places === undefined ? place.length : undefined)
  for (const file of filesOf(shorter) ?? []) {
    if (file.guid === menus && !eraseProgram(shorter, file)) throw notHardened('menus whose program cannot be read')
  }
  const code = Buffer.concat([o.code.subarray(0, place.offset), shorter, o.code.subarray(place.offset + place.length)])
  const boot = Buffer.from(o.boot)
  code.writeUIntLE(shorter.length + 4, place.offset - 4, 3)
  for (const at of places?.code ?? []) code.writeUInt32LE(shorter.length, at)
  for (const at of places?.boot ?? []) boot.writeUInt32LE(shorter.length, at)
  return { code, boot }
}

/** A GUID as in memory, in hexadecimal: its first three fields are little-endian. */
function inMemory(guid: string): string {
  const bytes = Buffer.from(guid.replaceAll('-', ''), 'hex')
  bytes.subarray(0, 4).reverse()
  bytes.subarray(4, 6).reverse()
  bytes.subarray(6, 8).reverse()
  return bytes.toString('hex')
}
