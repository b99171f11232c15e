import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { connect } from 'node:net'
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { harmless, measured, noticed } from './attacks/attack.ts'
import { credentials } from './attacks/credentials.ts'
import { attacks, selectAttacks } from './catalog.ts'
import { allHeld } from './drill.ts'
import { copyInstallation, fingerprint, makeDrillFolder } from './host/installation-copy.ts'
import { MetadataLiar } from './host/metadata-liar.ts'
import { readTable, writeTable, partitionTypes } from './host/partitions.ts'
import { HostQemu } from './host/qemu.ts'
import { TimeLiar } from './host/time-liar.ts'
import { judge } from './judge.ts'
import { elfProgram } from './payload/elf-program.ts'
import { makeMark } from './host/mark.ts'
import { rewriteLuks2, type Luks2Metadata } from './payload/luks2.ts'

const ready = { accepted: true, marks: [], brokenLinks: [], registers: { '12': '00' } }
const closed = { code: 'OsDiskDidNotUnlock' as const, message: 'closed', target: 'PCR 12' }

let folder: string
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'strongroom-drill-test-'))))
afterAll(async () => await rm(folder, { recursive: true, force: true }))

describe('a verdict', () => {
  it('is held only by an ending that the attack names', () => {
    const ends = [measured(12)]
    expect(judge({ ends }, { accepted: false, marks: [], error: closed }).verdict).toBe('held')
    expect(judge({ ends }, { accepted: false, marks: [], error: { ...closed, target: 'PCR 7' } }).verdict).toBe(
      'inconclusive',
    )
    expect(
      judge({ ends }, { accepted: false, marks: [], error: { code: 'GuestBootTimeout', message: '' } }).verdict,
    ).toBe('inconclusive')
    expect(judge({ ends }, { accepted: false, marks: [] }).verdict).toBe('inconclusive')
    expect(judge({ ends }, ready).verdict).toBe('broken')
  })

  it('is broken by a mark, whatever else was seen', () => {
    const seen = { accepted: false, marks: ['code'], error: closed }
    expect(judge({ ends: [measured(12), harmless] }, seen)).toEqual({
      verdict: 'broken',
      message: 'taken from the host: code',
    })
    expect(judge({ ends: [harmless] }, { ...ready, marks: ['code'] }).verdict).toBe('broken')
  })

  it('of a disk that is not encrypted is held by a boot that is refused, and by none that is not', () => {
    const ends = [measured(12)]
    const plain = { encrypted: false }
    const refusal = { code: 'BootReportRefused' as const, message: 'PCR 12 is not the predicted one' }
    expect(judge({ ends }, { accepted: false, marks: ['code'], error: refusal }, plain).verdict).toBe('held')
    expect(judge({ ends }, { accepted: false, marks: ['code'], error: closed }, plain).verdict).toBe('broken')
    expect(judge({ ends }, { ...ready, marks: ['code'] }, plain).verdict).toBe('broken')
    expect(judge({ ends }, { accepted: false, marks: [], error: refusal }).verdict).toBe('inconclusive')
  })

  it('of code that runs before the key is asked for is held where the boot gets none', () => {
    const attack = { ends: [measured(1)], early: true } as const
    const refusal = { ...closed, target: 'PCR 1' }
    expect(judge(attack, { accepted: false, marks: ['code'], error: refusal }).verdict).toBe('held')
    expect(judge({ ends: attack.ends }, { accepted: false, marks: ['code'], error: refusal }).verdict).toBe('broken')
    expect(judge(attack, { ...ready, marks: ['code'] }).verdict).toBe('broken')
    expect(judge(attack, { accepted: false, marks: ['code'], error: closed }).verdict).toBe('broken')
  })

  it('is harmless only with the registers of the control run, a whole report and a look that succeeded', () => {
    const ends = [harmless]
    expect(judge({ ends }, ready, { registers: { '12': '00' }, encrypted: true }).verdict).toBe('held')
    expect(judge({ ends }, ready, { registers: { '12': '11' }, encrypted: true })).toMatchObject({
      verdict: 'broken',
      message: expect.stringContaining('PCR 12') as string,
    })
    const moved = (index: number, movesPartitions: boolean): string =>
      judge(
        { ends, movesPartitions },
        { ...ready, registers: { [index]: '00' } },
        { registers: { [index]: '11' }, encrypted: true },
      ).message
    for (const [index, movesPartitions] of [
      [0, false],
      [5, false],
      [0, true],
    ] as const)
      expect(moved(index, movesPartitions)).toBe(`PCR ${index} moved, and the trust report holds`)
    expect(moved(5, true)).toContain('booted normally')
    expect(judge({ ends }, { ...ready, brokenLinks: [{ id: 'disk', why: 'x' }] }).verdict).toBe('inconclusive')
    expect(judge({ ends }, { ...ready, unseen: 'no way in' })).toEqual({
      verdict: 'inconclusive',
      message: 'no way in',
    })
    expect(judge({ ends: [noticed(/^disk$/)] }, { ...ready, brokenLinks: [{ id: 'disk', why: 'x' }] }).verdict).toBe(
      'held',
    )
  })

  it('of a drill is not held by what was not tried, and not by one that is inconclusive', () => {
    expect(allHeld([{ verdict: 'held' }, { verdict: 'not tried' }])).toBe(true)
    expect(allHeld([{ verdict: 'not tried' }])).toBe(false)
    expect(allHeld([{ verdict: 'held' }, { verdict: 'inconclusive' }])).toBe(false)
    expect(allHeld([{ verdict: 'held' }, { verdict: 'broken' }])).toBe(false)
  })
})

describe('the attacks', () => {
  it('have ids of their own, under a row, and an ending that is held', () => {
    expect(new Set(attacks.map(({ id }) => id)).size).toBe(attacks.length)
    for (const { id, ends } of attacks) {
      expect(id).toMatch(/^[A-Z]\d+\/[a-z0-9-]+$/)
      expect(ends.length).toBeGreaterThan(0)
    }
  })

  it('are chosen by row or id, and not by what there is none of', () => {
    expect(selectAttacks(['D1/null-ecb']).map(({ id }) => id)).toEqual(['D1/null-ecb'])
    expect(selectAttacks(['D1']).every(({ id }) => id.startsWith('D1/'))).toBe(true)
    expect(() => selectAttacks(['D1', 'nothing'])).toThrowError(
      expect.objectContaining({ code: 'UnknownAttack' }) as Error,
    )
  })
})

describe('a mark', () => {
  it('does not appear where its code is repeated, and appears where it ran', () => {
    const { text, shell } = makeMark('x')
    expect(shell).not.toContain(text)
    expect(execFileSync('sh', ['-c', shell.replace('>/dev/ttyS0', '')]).toString()).toContain(text)
  })
})

describe('a copy of an installation', () => {
  it('is the same to the byte, and the fingerprint of the original sees content, mode and time of change', async () => {
    const [state, copy] = [join(folder, 'one/state'), join(folder, 'two/state')]
    await mkdir(state, { recursive: true })
    await mkdir(join(folder, 'two'))
    await writeFile(join(state, 'disk'), Buffer.alloc(8 * 1024 ** 2, 1))
    await writeFile(join(state, 'sparse'), '')
    await truncate(join(state, 'sparse'), 64 * 1024 ** 2)
    const before = await fingerprint(state)
    await copyInstallation(state, copy)
    expect(await readFile(join(copy, 'disk'))).toEqual(await readFile(join(state, 'disk')))
    await readFile(join(state, 'disk'))
    await utimes(join(copy, 'disk'), new Date(), new Date())
    expect(await fingerprint(state)).toBe(before)
    await chmod(join(state, 'disk'), 0o640)
    expect(await fingerprint(state)).not.toBe(before)
  })

  it('lies beside the original; what a drill that was killed left there is removed', async () => {
    const state = join(folder, 'three/state')
    await mkdir(state, { recursive: true })
    const left = join(folder, 'three/.drill-999999999-abc')
    await mkdir(left)
    const made = await makeDrillFolder(state)
    expect(made).toContain(join(folder, 'three/.drill-'))
    await expect(readFile(left)).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

describe('the host’s QEMU', () => {
  it('adds and replaces arguments for the one VM, takes endpoints over, and is the real one otherwise', async () => {
    const [real, runtime] = [join(folder, 'real'), join(folder, 'runtime')]
    await mkdir(real)
    await mkdir(runtime)
    await writeFile(join(runtime, 'metadata'), 'own')
    await writeFile(join(real, 'setpriv'), '#!/bin/sh\nprintf "%s\\n" "$@"\n', { mode: 0o755 })
    const path = process.env['PATH']
    process.env['PATH'] = `${real}:${path}`
    try {
      const qemu = new HostQemu(join(folder, 'host'))
      qemu.add('-smbios', 'type=11,value=a b')
      qemu.replace('id=net,', 'id=net,hostname=x,')
      qemu.replaceArgument('if=pflash,unit=1', 'other')
      qemu.takeOver('metadata', '/the/liar')
      await qemu.install('first')
      const file = `fd=6,set=6,opaque=${runtime}/variables.fd`
      const given = (name: string): string[] => [
        '--pdeathsig',
        'KILL',
        '--reuid',
        '7',
        '--',
        'qemu',
        '-name',
        `guest=${name},debug-threads=off`,
        '-drive',
        'if=pflash,unit=1,file=v',
        '-netdev',
        'vde,id=net,x',
        '-add-fd',
        file,
      ]
      const run = (name: string): string[] =>
        execFileSync(join(folder, 'host/setpriv'), given(name)).toString().trim().split('\n')
      expect(run('second')).toEqual(given('second'))
      expect(run('first')).toEqual([
        '--pdeathsig',
        'KILL',
        '--',
        'qemu',
        '-name',
        'guest=first,debug-threads=off',
        '-drive',
        'other',
        '-netdev',
        'vde,id=net,hostname=x,x',
        '-add-fd',
        file,
        '-smbios',
        'type=11,value=a b',
      ])
      expect(await readFile(join(runtime, 'metadata.real'), 'utf8')).toBe('own')
      expect(await qemu.pid()).toBeGreaterThan(0)
    } finally {
      process.env['PATH'] = path
    }
  })
})

describe('a replacement that finds nothing to replace', () => {
  it.each([
    ['text in an argument', (qemu: HostQemu) => qemu.replace('id=other,', 'x')],
    ['a whole argument', (qemu: HostQemu) => qemu.replaceArgument('id=other', 'x')],
  ])('ends QEMU with 64 before anything is tried: %s', async (_, change) => {
    const real = join(folder, 'real')
    await mkdir(real, { recursive: true })
    await writeFile(join(real, 'setpriv'), '#!/bin/sh\necho started\n', { mode: 0o755 })
    const path = process.env['PATH']
    process.env['PATH'] = `${real}:${path}`
    try {
      const qemu = new HostQemu(join(folder, 'nothing'))
      qemu.replace('id=net,', 'x')
      change(qemu)
      await qemu.install('first')
      const run = spawnSync(join(folder, 'nothing/setpriv'), [
        '--',
        'qemu',
        '-name',
        'guest=first,x',
        '-netdev',
        'id=net,y',
      ])
      expect([run.status, run.stdout.toString()]).toEqual([64, ''])
      expect(run.stderr.toString()).toContain('id=other')
    } finally {
      process.env['PATH'] = path
    }
  })
})

describe('credentials', () => {
  const programs = ['journald', 'tmpfiles', 'sysusers', 'sysctl', 'firstboot', 'cryptsetup', 'udevd']
    .map((program) => `/usr/lib/systemd/systemd-${program}`)
    .concat(['/usr/bin/systemd-tmpfiles', '/usr/bin/systemd-sysusers'])
    .concat(
      ['fstab', 'getty', 'ssh', 'cryptsetup', 'debug'].map(
        (kind) => `/usr/lib/systemd/system-generators/systemd-${kind}-generator`,
      ),
    )
    .filter(existsSync)

  it.skipIf(programs.length === 0)(
    'have every name that the programs and units of systemd on this machine look for (attack B2)',
    async () => {
      const tried = credentials({ mark: makeMark }).map(([name]) => name)
      const texts = (await Promise.all(programs.map((file) => readFile(file, 'latin1')))).join('\0')
      const known =
        /^(?:[a-z]+\.extra(?:\.initrd)?|(?:firstboot|cryptsetup|journal|ssh|vmm|getty\.ttys|passwd)\.[a-z0-9_]+(?:-[a-z0-9_]+)*)$/
      const named = texts
        .split(/[^ -~]/)
        .filter((word) => known.test(word) && !/\.(?:service|socket|conf|target|d)$/.test(word))
      const units = '/usr/lib/systemd/system'
      const imports = (await readdir(units, { recursive: true, withFileTypes: true })).filter((each) => each.isFile())
      for (const { name, parentPath } of imports)
        for (const [, glob] of (await readFile(join(parentPath, name), 'utf8')).matchAll(
          /^ImportCredential=([^:\n]+)/gm,
        ))
          named.push(glob!)
      expect(named.length).toBeGreaterThan(20)
      const isTried = (name: string): boolean => {
        const beginning = name.replace(/[%*].*$/, '')
        return tried.some((each) => (beginning === name ? each === name : each.startsWith(beginning)))
      }
      expect([...new Set(named)].filter((name) => !isTried(name))).toEqual([])
    },
  )
})

describe('the first program of a host’s initrd', () => {
  it('writes its mark with nothing beside it', async () => {
    const mark = makeMark('x')
    const file = join(folder, 'program')
    await writeFile(file, elfProgram(mark), { mode: 0o755 })
    const run = spawnSync(file, { timeout: 1_000 })
    expect(run.stdout.toString()).toBe(`\r\n${mark.text}\r\n`)
  })
})

describe('the clock in the clock’s place', () => {
  it('answers a client with the time that it was given', async () => {
    const liar = new TimeLiar(new Date('2016-11-27T08:00:00Z'))
    const socket = join(folder, 'time')
    await liar.listen(socket)
    const packet = Buffer.alloc(48)
    packet[0] = 0x23
    packet.write('origin!!', 40)
    const answer = await new Promise<Buffer>((done) => connect(socket).on('data', done).end(packet))
    await liar.close()
    expect([answer.length, answer[0], answer.toString('latin1', 24, 32)]).toEqual([48, 0x24, 'origin!!'])
    const late = answer.readUInt32BE(40) - (Date.parse('2016-11-27T08:00:00Z') / 1000 + 2_208_988_800)
    expect(late).toBeGreaterThanOrEqual(0)
    expect(late).toBeLessThan(60)
  })
})

describe('the endpoint in the endpoint’s place', () => {
  it('changes what the guest is told, and passes everything else on', async () => {
    const runtime = join(folder, 'endpoint')
    await mkdir(runtime)
    const own = createServer((_, answer) => answer.end('hostname Zmlyc3Q=\ncaPem QQ==\n'))
    await new Promise<void>((done) => own.listen(join(runtime, 'metadata.real'), done))
    const liar = new MetadataLiar({
      provisioning: (told) => told.map(([key, value]) => [key, key === 'caPem' ? Buffer.from('B') : value]),
    })
    await liar.listen(join(folder, 'liar'), () => Promise.resolve(runtime))
    const get = async (path: string): Promise<string> =>
      await new Promise((done, fail) => {
        const sent = request({ socketPath: join(folder, 'liar'), path }, (answer) => {
          let text = ''
          answer.on('data', (chunk: Buffer) => (text += chunk.toString()))
          answer.on('end', () => done(text))
        })
        sent.on('error', fail)
        sent.end()
      })
    expect(await get('/metadata/strongroom/provisioning')).toBe('hostname Zmlyc3Q=\ncaPem Qg==\n')
    expect(await get('/metadata/instance')).toBe('hostname Zmlyc3Q=\ncaPem QQ==\n')
    await liar.close()
    own.close()
  })
})

describe('what a host does to a disk', () => {
  it('is a LUKS2 header that cryptsetup takes, in both of its copies', async () => {
    const volume = join(folder, 'volume')
    await writeFile(volume, Buffer.alloc(20 * 1024 ** 2))
    await writeFile(join(folder, 'key'), 'k')
    execFileSync('cryptsetup', [
      'luksFormat',
      '--batch-mode',
      '--type',
      'luks2',
      '--pbkdf',
      'pbkdf2',
      '--pbkdf-force-iterations',
      '1000',
      '--key-file',
      join(folder, 'key'),
      volume,
    ])
    await rewriteLuks2(
      volume,
      0,
      (metadata: Luks2Metadata) => void (metadata.segments['0'].encryption = 'cipher_null-ecb'),
    )
    const dump = (path: string): string =>
      execFileSync('cryptsetup', ['luksDump', '--dump-json-metadata', path]).toString()
    expect(dump(volume)).toContain('cipher_null-ecb')
    const second = join(folder, 'second')
    await copyFile(volume, second)
    const bytes = await readFile(second)
    bytes.fill(0, 0, 4096)
    await writeFile(second, bytes)
    expect(dump(second)).toContain('cipher_null-ecb')
  })

  it('is a partition table in the order that the host wants', async () => {
    const disk = join(folder, 'disk')
    await writeFile(disk, Buffer.alloc(16 * 1024 ** 2))
    const part = (type: string, name: string, offset: number): Parameters<typeof writeTable>[1][number] => ({
      type,
      uuid: '',
      name,
      offset,
      sizeBytes: 1024 ** 2,
    })
    const [esp, root] = [part(partitionTypes.esp, 'esp', 1024 ** 2), part(partitionTypes.root, 'root', 2 * 1024 ** 2)]
    await writeTable(disk, [esp, root])
    const own = await readTable(disk)
    await writeTable(disk, [own[0]!, part(partitionTypes.root, 'evil', 4 * 1024 ** 2), own[1]!])
    const found = await readTable(disk)
    expect(found.map(({ name }) => name)).toEqual(['esp', 'evil', 'root'])
    expect(found[2]).toEqual(own[1])
  })
})
