import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../core/bytes/bytes.ts'
import { digest } from '../../core/bytes/digest.ts'
import { toHex } from '../../core/bytes/hex.ts'
import { parseEventLog } from '../../eventlog/event-log.ts'
import { replayRtmrs } from '../../eventlog/replay.ts'
import { corpusDirectory, hasCorpus } from '../../testing/corpus-directory.ts'
import { predictRtmrs, type TdDirectBoot } from './rtmr.ts'
import { tdHob } from './td-hob.ts'

/** From Debian's package ovmf: the same layout as the firmware of the TDs whose logs are in the corpus. */
const image = '/usr/share/ovmf/OVMF.fd'
const firmware = existsSync(image) ? new Uint8Array(readFileSync(image)) : undefined
if (firmware === undefined) process.stderr.write(`skipped: no firmware at ${image} (Debian's package ovmf)\n`)
const gib = 1n << 30n

/** Digests of an event log by index. The host's own files are taken from it, because only that host had them. */
function logOf(path: string): { digestAt: (index: number) => Uint8Array; log: ReturnType<typeof parseEventLog> } {
  const log = parseEventLog(new Uint8Array(readFileSync(join(corpusDirectory, path))))
  return { log, digestAt: (index) => log.events[index]!.digests.get('sha384')! }
}

describe.skipIf(firmware === undefined || !hasCorpus)('the RTMRs of TDs that QEMU started directly', () => {
  it.each([
    ['Dstack-TEE-dstack/ccel.bin', 1n * gib],
    ['confidential-dot-ai-attestation-rs/tdx_ccel_live.bin', 2n * gib],
  ])('%s: RTMR0 and RTMR1 are those that its log replays to', async (path, memorySize) => {
    const { log, digestAt } = logOf(path)
    const predicted = await predictRtmrs({
      firmware: firmware!,
      memorySize,
      acpi: { loader: { sha384: digestAt(8) }, rsdp: { sha384: digestAt(9) }, tables: { sha384: digestAt(10) } },
      kernel: { sha384: digestAt(11) },
      commandLine: '',
    })
    const replayed = await replayRtmrs(log)
    expect([0, 1].map((register) => toHex(predicted[register]!))).toEqual(
      [0, 1].map((register) => toHex(replayed.get(register)!)),
    )
  })
})

describe.skipIf(firmware === undefined)('predictRtmrs', () => {
  const boot: TdDirectBoot = {
    firmware: firmware!,
    memorySize: 2n * gib,
    acpi: { loader: utf8('loader'), rsdp: utf8('rsdp'), tables: utf8('tables') },
    kernel: { sha384: new Uint8Array(48).fill(1) },
    commandLine: 'quiet',
    initrd: utf8('initrd'),
  }

  it.each([
    ['memory size', { memorySize: 4n * gib }, [0]],
    ['ACPI tables', { acpi: { ...boot.acpi, tables: utf8('a rogue table') } }, [0]],
    ['Secure Boot', { secureBoot: 1 }, [0]],
    ['an enrolled key', { secureBootVariables: { db: utf8('key') } }, [0]],
    ['the kernel', { kernel: { sha384: new Uint8Array(48).fill(2) } }, [1]],
    ['the command line', { commandLine: 'quiet init=/bin/sh' }, [2]],
    ['the initrd', { initrd: utf8('another') }, [2]],
  ] as [string, Partial<TdDirectBoot>, number[]][])(
    'shows another %s in its register alone',
    async (_, change, registers) => {
      const [before, after] = await Promise.all([predictRtmrs(boot), predictRtmrs({ ...boot, ...change })])
      const changed = [0, 1, 2, 3].filter((register) => toHex(before[register]!) !== toHex(after[register]!))
      expect(changed).toEqual(registers)
      expect(toHex(after[3])).toBe('00'.repeat(48))
    },
  )

  it('takes a digest for the bytes that it is of', async () => {
    const tables = { sha384: await digest('SHA-384', utf8('tables')) }
    const [bytes, digests] = await Promise.all([
      predictRtmrs(boot),
      predictRtmrs({ ...boot, acpi: { ...boot.acpi, tables } }),
    ])
    expect(bytes.map(toHex)).toEqual(digests.map(toHex))
  })

  it('splits memory at 2 GiB where QEMU does, and refuses sizes that no TD has', () => {
    const small = tdHob({ firmware: firmware!, memorySize: 2n * gib })
    const large = tdHob({ firmware: firmware!, memorySize: 4n * gib })
    expect(large.length - small.length).toBe(48)
    for (const memorySize of [0n, 1n, 16n << 20n, 1n << 50n, gib + 1n]) {
      expect(() => tdHob({ firmware: firmware!, memorySize })).toThrow(
        expect.objectContaining({ code: 'InvalidValue' }),
      )
    }
    expect(() => tdHob({ firmware: new Uint8Array(4096), memorySize: gib })).toThrow(
      expect.objectContaining({ code: 'Missing' }),
    )
  })
})
