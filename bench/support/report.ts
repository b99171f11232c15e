import { availableParallelism, cpus, loadavg } from 'node:os'
import { table } from './measure.ts'

/** The machine as it was when the measurement began. */
export interface Facts {
  processor: string
  cores: number
  load: number
  node: string
}

export function machineFacts(): Facts {
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    load: loadavg()[0] ?? 0,
    node: process.version,
  }
}

/** Prints figures: as JSON, or as a table with the machine below it. */
export function printReport(
  o: { json: boolean },
  report: { facts: Facts; data: object; rows: readonly (readonly string[])[] },
): void {
  const { facts } = report
  process.stdout.write(
    o.json
      ? `${JSON.stringify({ facts, ...report.data }, undefined, 2)}\n`
      : `${table(report.rows)}\n${facts.processor}, ${facts.cores} cores, load ${facts.load.toFixed(1)}, Node ${facts.node}\n`,
  )
}
