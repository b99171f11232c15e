import type { QTest } from './qtest.ts'

/** On a machine whose processors have not run, this memory is free. */
const memory = { control: 0x1_0000, data: 0x10_0000 } as const
const directory = 0x19
const entryBytes = 64
const commands = { read: 2, select: 8, write: 16 } as const

/** QEMU's fw_cfg device, through its DMA interface (docs/specs/fw_cfg.rst). */
export class FirmwareConfiguration {
  readonly #qtest: QTest
  readonly #files: ReadonlyMap<string, { key: number; length: number }>

  private constructor(qtest: QTest, files: ReadonlyMap<string, { key: number; length: number }>) {
    this.#qtest = qtest
    this.#files = files
  }

  static async open(qtest: QTest): Promise<FirmwareConfiguration> {
    const count = viewOf(await fetch(qtest, directory, 4)).getUint32(0)
    const list = await fetch(qtest, directory, 4 + count * entryBytes)
    const files = new Map<string, { key: number; length: number }>()
    for (let at = 4; at < list.length; at += entryBytes) {
      const view = viewOf(list.subarray(at, at + entryBytes))
      const name = Buffer.from(list.subarray(at + 8, at + entryBytes))
        .toString('latin1')
        .replace(/\0.*$/s, '')
      files.set(name, { length: view.getUint32(0), key: view.getUint16(4) })
    }
    return new FirmwareConfiguration(qtest, files)
  }

  get names(): string[] {
    return [...this.#files.keys()]
  }

  /** @throws TypeError if there is no such file */
  async read(name: string): Promise<Uint8Array> {
    const { key, length } = this.#file(name)
    return await fetch(this.#qtest, key, length)
  }

  /** Accepts everything that QEMU offers for system management, as OVMF does: the tables' methods depend on it. */
  async negotiateSmi(): Promise<void> {
    const offered = await this.read('etc/smi/supported-features')
    await this.#qtest.write(memory.data, offered)
    await transfer(this.#qtest, this.#file('etc/smi/requested-features').key, offered.length, commands.write)
    await this.read('etc/smi/features-ok')
  }

  #file(name: string): { key: number; length: number } {
    const found = this.#files.get(name)
    if (found === undefined) throw new TypeError(`QEMU has no file ${name} for the firmware`)
    return found
  }
}

async function fetch(qtest: QTest, key: number, length: number): Promise<Uint8Array> {
  if (length === 0) return new Uint8Array()
  await transfer(qtest, key, length, commands.read)
  return await qtest.read(memory.data, length)
}

async function transfer(qtest: QTest, key: number, length: number, command: number): Promise<void> {
  const control = new DataView(new ArrayBuffer(16))
  control.setUint32(0, key * 0x1_0000 + commands.select + command)
  control.setUint32(4, length)
  control.setBigUint64(8, BigInt(memory.data))
  await qtest.write(memory.control, new Uint8Array(control.buffer))
  // The address, most significant half first; ports use the opposite byte order.
  await qtest.out(0x514, 0)
  await qtest.out(0x518, Buffer.from(Uint32Array.of(memory.control).buffer).readUInt32BE())
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
