import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fingerprint } from '../../apps/cli/src/drill/host/installation-copy.ts'
import type { AttackResult, DrillResult } from '../../apps/cli/src/drill/drill.ts'
import { TestInstallation } from './support/installation.ts'

/**
 * The drill as a user runs it, against two VMs: one as `vm create` makes it, and one with Secure Boot off, which is a
 * hole: a program of the host starts in place of the boot image. Each attack is a boot of a copy.
 */
const installation = await TestInstallation.create()
const attacks = [
  'B3',
  'H4/second-disk',
  'B1',
  'B4',
  'B6',
  'B8',
  'B9',
  'H4/option-rom',
  'H4/direct-kernel',
  'H4/dhcp-answers',
  'V9/other-both',
  'D10',
]
const hours = 3_600_000

interface Drilled {
  held: boolean
  drills: DrillResult[]
}

let held: Drilled
let holed: Drilled
let codes: number[]
let before: string

const of = (row: string): AttackResult[] =>
  held.drills[0]!.attacks.filter(({ id }) => id.split('/')[0] === row || id === row)

const allHeld = (...rows: string[]): void => {
  for (const row of rows) {
    expect(of(row).length, row).toBeGreaterThan(0)
    for (const { id, verdict, message } of of(row)) expect([id, verdict, message]).toEqual([id, 'held', message])
  }
}

beforeAll(async () => {
  await installation.start()
  await installation.must('image', 'build')
  await installation.must('vm', 'create', 'whole')
  await installation.must('vm', 'create', 'hole', '--no-secure-boot')
  for (const name of ['whole', 'hole']) await installation.must('vm', 'deallocate', name)
  await installation.stop()
  before = await fingerprint(installation.stateDir)
  const first = await installation.cli('drill', 'whole', '--only', ...attacks)
  const second = await installation.cli('drill', 'hole', '--only', 'B4/unsigned-program')
  codes = [first.code, second.code]
  ;[held, holed] = [first.json as Drilled, second.json as Drilled]
}, hours)

afterAll(async () => await installation.remove())

describe('a host that attacks your own VM', () => {
  it('finds no shell at the console, whether the disk opens or not (attack B1)', () => {
    allHeld('B1')
  })

  it('starts no boot file but the VM’s: unsigned, a stranger’s, behind Microsoft’s loader, one bit changed (attacks B4, B9)', () => {
    allHeld('B4', 'B9')
  })

  it('sets the guest’s clock and is believed by nobody outside it (attack B6)', () => {
    allHeld('B6')
  })

  it('gives the guest no random numbers of its choice, by a device or by a processor without any (attack B8)', () => {
    allHeld('B8')
  })

  it('runs no code of an ACPI table, and adds no device: the disk stays shut (attack B3)', () => {
    allHeld('B3', 'H4/option-rom', 'H4/second-disk')
  })

  it('gets nothing in by its own start of the kernel, or by DHCP (attack H4)', () => {
    allHeld('H4/direct-kernel', 'H4/dhcp-answers')
  })

  it('boots no VM with the disk, or disk and guest state, of another (attacks V9, D10)', () => {
    allHeld('V9/other-both', 'D10')
  })

  it('is told that all held, with exit code 0', () => {
    expect([codes[0], held.held]).toEqual([0, true])
  })

  it('finds the hole that there is, says what it saw of it, and ends with 1', () => {
    expect([codes[1], holed.held]).toEqual([1, false])
    expect(holed.drills[0]!.attacks).toMatchObject([
      { id: 'B4/unsigned-program', verdict: 'broken', message: 'taken from the host: UEFI program' },
    ])
  })

  it('leaves the installation as it was, to the byte', async () => {
    expect(await fingerprint(installation.stateDir)).toBe(before)
  })
})
