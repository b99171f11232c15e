import { measureBoot, type BootFigures } from './boot/measure-boot.ts'
import { machineFacts, printReport } from './support/report.ts'

/** Ratios to the same machine under bare QEMU, milliseconds, per cent of a core, MiB. */
const goals = {
  start: 1.15,
  create: 1.5,
  startOverStock: 0.5,
  startMs: 25_000,
  minimalMs: 12_000,
  idlePercent: 2,
  sshMs: 1_000,
  mebibytesPerVm: 5,
}

type Ratios = Record<keyof typeof goals, number>

function ratiosOf(figures: BootFigures): Ratios {
  const { resident } = figures
  return {
    start: figures.start / figures.bareLater,
    create: figures.create / figures.bareFirst,
    startOverStock: figures.start / figures.stock,
    startMs: figures.start,
    minimalMs: figures.minimal,
    idlePercent: figures.idlePercent,
    sshMs: figures.ssh,
    mebibytesPerVm: ((resident.at(-1) ?? Number.NaN) - (resident[0] ?? Number.NaN)) / (resident.length - 1),
  }
}

/** Duration of a boot, Strongroom's overhead, and the cost of a running VM. @returns whether the goals are reached */
export async function bench(o: { json: boolean }): Promise<boolean> {
  const facts = machineFacts()
  const figures = await measureBoot()
  const ratios = ratiosOf(figures)
  const reached = (Object.keys(goals) as (keyof typeof goals)[]).every((name) => ratios[name] <= goals[name])
  const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(1)} s`
  const ratio = (name: keyof Ratios, anchor: string): string => `${ratios[name].toFixed(2)} × ${anchor}`
  const rows = [
    ['', 'Strongroom', 'compared', 'wanted'],
    ['create → ready', seconds(figures.create), ratio('create', 'bare QEMU'), `≤ ${goals.create}`],
    ['start → ready', seconds(figures.start), ratio('start', 'bare QEMU'), `≤ ${goals.start}`],
    ['', '', ratio('startOverStock', `stock Debian (${seconds(figures.stock)})`), `≤ ${goals.startOverStock}`],
    ['', '', '', `≤ ${seconds(goals.startMs)}`],
    ['start → ready, minimal image', seconds(figures.minimal), '', `≤ ${seconds(goals.minimalMs)}`],
    ['idle guest', `${figures.idlePercent.toFixed(1)} % of a core`, '', `≤ ${goals.idlePercent} %`],
    ['vm ssh NAME -- true', seconds(figures.ssh), '', `≤ ${seconds(goals.sshMs)}`],
    [
      'server with 1, 2, 3 running VMs',
      `${figures.resident.map((mebibytes) => mebibytes.toFixed(0)).join(', ')} MiB`,
      `${ratios.mebibytesPerVm.toFixed(1)} MiB a VM`,
      `≤ ${goals.mebibytesPerVm} MiB`,
    ],
  ]
  printReport(o, { facts, data: { goals, figures, ratios, reached }, rows })
  return reached
}
