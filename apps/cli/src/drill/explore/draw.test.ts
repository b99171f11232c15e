import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { makeMark } from '../host/mark.ts'
import { attacks } from '../catalog.ts'
import { drawArgument, newDevice, optionsIn, orderOf } from './arguments.ts'
import { Choices } from './choices.ts'
import { deviceArguments } from './events.ts'
import { drawSteps } from './life.ts'
import { kinds, textOf, textOfSteps } from './mutation.ts'
import { aFile, anotherValue, aText, filled } from './payloads.ts'
import { parseDevices, parseOptions, parseProperties, type QemuHelp } from './qemu-help.ts'
import type { Inventory } from './surroundings.ts'

const help: QemuHelp = {
  options: parseOptions(
    `-smbios file=binary
                load SMBIOS entry from binary file
-smbios type=0[,vendor=str][,release=%d.%d][,uefi=on|off]
-kernel bzImage use 'bzImage' as kernel image
-no-shutdown    stop before shutdown
-daemonize      daemonize QEMU after initializing
-pidfile file   write PID to 'file'
-chardev socket,id=id[,path=path]
`,
  ),
  devices: parseDevices(
    `name "e1000e", bus PCI, desc "Intel 82574L"
name "vfio-pci", bus PCI
name "isa-debugcon", bus ISA
name "usb-kbd", bus usb-bus
`,
  ),
  propertiesOf: () =>
    Promise.resolve(parseProperties('  romfile=<str>\n  aer=<bool>  - on/off\n  netdev=<netdev>\n  vectors=<uint32>')),
}
const args = ['qemu', '-nodefaults', '-display', 'none', '-device', 'a,b=1', '-device', 'c', '-S']
const inventory: Inventory = {
  args,
  help,
  files: ['host.db', 'machines/VM/disk'],
  tables: [{ name: 'host.db instance', columns: ['vm_id', 'record'] }],
  answers: [{ name: 'guest GET /a', body: Buffer.from('{"a":1}') }],
}
const drawn = async (seed: number, life: number): Promise<string> =>
  JSON.stringify(await drawSteps(new Choices(seed, life), inventory))

describe('the choices of a life', () => {
  it('follow from its seed and its number, without the lives before it', async () => {
    for (const life of [0, 1, 199]) expect(await drawn(7, life)).toBe(await drawn(7, life))
    const lives = await Promise.all(Array.from({ length: 50 }, async (_, life) => await drawn(7, life)))
    expect(new Set(lives).size).toBeGreaterThan(40)
    expect(await drawn(8, 0)).not.toBe(await drawn(7, 0))
  })

  it('spread over what there is to choose from', () => {
    const choices = new Choices(1, 1)
    const counts = [0, 0, 0, 0]
    for (let time = 0; time < 4000; time++) counts[choices.below(4)]!++
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150)
    expect(() => choices.pick([])).toThrow(RangeError)
    const names = Array.from({ length: 20 }, (_, index) => `name ${index}`)
    const named = (list: readonly string[]): string[] =>
      Array.from({ length: 200 }, (_, life) => new Choices(1, life).pickNamed(list, (name) => name))
    expect(new Set(named(names)).size).toBe(20)
    const others = named(names.slice(1)).filter((name, life) => name !== named(names)[life])
    expect(others.length).toBeLessThan(30)
    expect(() => choices.pickNamed([], String)).toThrow(RangeError)
    const place = choices.place()
    expect(place >= 0 && place < 1).toBe(true)
  })

  it('reach every kind of input, alone, in pairs and over two boots', async () => {
    const lives = await Promise.all(
      Array.from({ length: 300 }, async (_, life) => await drawSteps(new Choices(3, life), inventory)),
    )
    expect(new Set(lives.flat(2).map(({ kind }) => kind))).toEqual(new Set(kinds))
    const shapes = new Set(lives.map((steps) => steps.map(({ length }) => length).join()))
    expect(shapes).toEqual(new Set(['1', '1,0', '2', '1,1']))
    for (const step of lives.flat()) expect(step.filter(({ kind }) => kind === 'events').length).toBeLessThan(2)
  })

  it('are data that a line of JSON keeps whole, and a text that a person reads', async () => {
    const steps = await drawSteps(new Choices(3, 5), inventory)
    expect(JSON.parse(JSON.stringify(steps))).toEqual(steps)
    const one = { kind: 'files', target: 'host.db', operation: 'flip', place: 0.5 } as const
    expect(textOf(one)).toBe('files: flip host.db at 0.5')
    expect(textOfSteps([[one, { kind: 'arguments', target: '-m 1', operation: 'drop' }], []])).toBe(
      'files: flip host.db at 0.5 + arguments: drop -m 1 then nothing',
    )
  })
})

describe('what QEMU says of its options', () => {
  it('is read: names, keys and their values, without what acts on the machine below', () => {
    expect(help.options).toEqual([
      { name: 'smbios', keys: [{ key: 'file', values: [] }] },
      {
        name: 'smbios',
        keys: [
          { key: 'type', values: [] },
          { key: 'vendor', values: [] },
          { key: 'release', values: [] },
          { key: 'uefi', values: ['on', 'off'] },
        ],
      },
      { name: 'kernel', word: 'bz', keys: [] },
      { name: 'no-shutdown', word: 'stop', keys: [] },
    ])
    expect(help.devices).toEqual(['e1000e', 'isa-debugcon'])
    expect(parseProperties('e1000e options:\n  romfile=<str>\n  aer=<bool>  - on/off (default: off)')).toEqual([
      { key: 'romfile', type: 'str' },
      { key: 'aer', type: 'bool' },
    ])
  })

  it('becomes a device whose properties refer to nothing else', async () => {
    for (let life = 0; life < 100; life++)
      expect(await newDevice(new Choices(2, life), help)).toMatch(
        /^(?:e1000e|isa-debugcon)(?:,(?:romfile=\{file:\w+\}|aer=(?:on|off)|vectors=\d+)){0,2}$/,
      )
  })

  it('is handed to a running QEMU with the types that it wants', () => {
    expect(deviceArguments('e1000e,aer=on,vectors=5,romfile=/a=b')).toEqual({
      driver: 'e1000e',
      aer: true,
      vectors: 5,
      romfile: '/a=b',
    })
  })
})

describe('a command line', () => {
  it('is a list of options with their values', () => {
    expect(optionsIn(args).map(({ name, from, count }) => [name, from, count])).toEqual([
      ['-nodefaults 1', 1, 1],
      ['-display 1', 2, 2],
      ['-device 1', 4, 2],
      ['-device 2', 6, 2],
      ['-S 1', 8, 1],
    ])
  })

  it('is given without an option, with one twice, or with one elsewhere', () => {
    const options = optionsIn(args)
    const changed = (operation: 'drop' | 'double' | 'move', place = 0): string[] =>
      orderOf(args.length, options, options[2]!, { operation, place }).map((index) => args[index]!)
    expect(changed('drop')).toEqual(['qemu', '-nodefaults', '-display', 'none', '-device', 'c', '-S'])
    expect(changed('double')).toEqual([...args, '-device', 'a,b=1'])
    expect(changed('move')).toEqual([
      'qemu',
      '-device',
      'a,b=1',
      '-nodefaults',
      '-display',
      'none',
      '-device',
      'c',
      '-S',
    ])
    expect(changed('move', 0.9).slice(-3)).toEqual(['-device', 'a,b=1', '-S'])
  })

  it('is changed in one place at a time, with files of the host’s own alone', async () => {
    for (let life = 0; life < 300; life++) {
      const { target, operation, value = '' } = await drawArgument(new Choices(4, life), args, help)
      const named = target === 'the command line' ? undefined : target.split(', part ')[0]
      if (named !== undefined) expect(optionsIn(args).map(({ name }) => name)).toContain(named)
      expect(['add', 'cut', 'double', 'drop', 'exchange', 'move']).toContain(operation)
      expect(value.replaceAll(/\{\w+:\w+\}/g, '')).not.toContain('/')
      expect(value).not.toMatch(/daemonize|pidfile|chardev|vfio/)
    }
  })
})

describe('a value in place of another', () => {
  it('has its form', () => {
    for (let life = 0; life < 40; life++) {
      const choices = new Choices(5, life)
      expect(anotherValue(choices, 'on')).toBe('off')
      expect(anotherValue(choices, '512M')).toMatch(/^-?\d+$/)
      expect(anotherValue(choices, '/a/b')).toMatch(/^\{file:\w+\}$/)
    }
  })

  it('is filled with payloads, which leave a mark where they run and do not contain it', async () => {
    const written = new Map<string, Uint8Array>()
    const marks: string[] = []
    const place = {
      mark: (name: string) => {
        const mark = makeMark(name)
        marks.push(mark.text)
        return mark
      },
      file: (name: string, content?: Uint8Array | string) => {
        written.set(name, Buffer.from(content ?? ''))
        return Promise.resolve(`/own/${name}`)
      },
    }
    for (let life = 0; life < 40; life++) {
      expect(await filled(`a=${aFile(new Choices(6, life))}`, place)).toMatch(/^a=\/own\/payload-\w+$/)
      await filled(aText(new Choices(6, life)), place)
    }
    expect(await filled('x', place)).toBe('x')
    expect(await filled('{text:long}', place, (text) => text.replaceAll('A', 'B'))).toBe('B'.repeat(4000))
    expect(marks.length).toBeGreaterThan(5)
    expect(written.size).toBeGreaterThan(5)
    const shells = ['payload-script', 'payload-unit'].map((name) => String(written.get(name)))
    for (const text of marks) for (const shell of shells) expect(shell).not.toContain(text)
  })
})

describe('the sources of the mutator', () => {
  const sources = readdirSync(import.meta.dirname)
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => [name, readFileSync(join(import.meta.dirname, name), 'utf8')] as const)
  /** Identifiers of attacks, files of a VM and the names that attacks put into arguments. */
  const known =
    /\b[A-Z]\d{1,2}(?:\/[a-z]|\b)|os-disk|guest-state|variables\.fd|\.vmgs|io\.systemd|opt\/|ovmf|edk2|bootindex|credential/

  it('name no attack that is known, and none of its inputs', () => {
    expect(sources.length).toBeGreaterThan(10)
    for (const [name, text] of sources) {
      expect([name, known.exec(text)?.[0]]).toEqual([name, undefined])
      for (const { id } of attacks) expect([name, text.includes(id)]).toEqual([name, false])
    }
    for (const planted of ['D1/null-ecb', 'R4', 'H43', "'os-disk.raw'", 'opt/io.systemd.credentials'])
      expect(known.test(planted)).toBe(true)
  })
})
