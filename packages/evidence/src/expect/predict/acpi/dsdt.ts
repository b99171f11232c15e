import { concat } from '../../../core/bytes/bytes.ts'
import {
  arg,
  buffer,
  call,
  device,
  dword,
  ifThen,
  integer,
  isEqual,
  littleEndian,
  method,
  named,
  notify,
  processor,
  returns,
  scope,
  whileLoop,
} from './aml.ts'
import { lowMemory, pciWindow, pciWindowBytes, type Machine } from './machine.ts'

/**
 * Parts of the template's DSDT that every machine has, as offsets into it. Between them is what depends on the
 * machine, or a length.
 */
const parts = {
  /** Host bridge, hot-plug of PCI, interrupt routing, HPET. */
  start: [36, 6522],
  hotplugPorts: [6529, 6699],
  containerId: [6713, 6738],
  /** CSTA and CEJ0, which read and eject a processor. */
  states: [6756, 6977],
  /** CSCN, which looks for processors that came or went. */
  scanStart: [6985, 7030],
  scanLoop: [7033, 7048],
  scanCondition: [7051, 7057],
  scanOne: [7058, 7239],
  scanNotify: [7239, 7409],
  scanEnd: [7409, 7430],
  /** COST, which reports a status to the host. */
  reportStatus: [7430, 7588],
  /** Up to the start of 32-bit PCI addresses; their end; and so on. */
  bridgeResources: [7646, 7789],
  bridgeLowEnd: [7793, 7801],
  bridgeOther: [7805, 7845],
  /** Ports of hot-plug, sleep states, fw_cfg. */
  ports: [7861, 8114],
  /** The LPC bridge with the interrupt router, keyboard, serial port and clock. */
  lpc: [8210, 8490],
  tpm: [8490, 9110],
  end: [9110, 9123],
} as const

/** Content of the DSDT, after its header. @param template the recorded DSDT */
export function dsdtContent(o: Machine, template: Uint8Array): Uint8Array {
  const part = (which: keyof typeof parts): Uint8Array => template.subarray(...parts[which])
  const low = lowMemory(o)
  const window = pciWindow(o)
  return concat(
    part('start'),
    scope('_SB_', part('hotplugPorts'), processors(o.vCPUs, part)),
    part('bridgeResources'),
    littleEndian(low, 4),
    part('bridgeLowEnd'),
    littleEndian(pciExpress - low, 4),
    part('bridgeOther'),
    littleEndian(window, 8),
    littleEndian(window + pciWindowBytes - 1, 8),
    part('ports'),
    scope('\\_SB_', scope('PCI0', ...slots(o.interfaces), part('lpc')), part('tpm')),
    part('end'),
  )
}

/** Where OVMF places the PCI Express configuration space: the end of 32-bit PCI addresses below it. */
const pciExpress = 0xe000_0000

const processorName = (index: number): string => `C${index.toString(16).toUpperCase().padStart(3, '0')}`

function processors(count: number, part: (which: keyof typeof parts) => Uint8Array): Uint8Array {
  const all = Array.from({ length: count }, (_, index) => index)
  const changed = all.map((index) => ifThen(isEqual(arg(0), integer(index)), notify(processorName(index), arg(1))))
  const scanned = whileLoop(part('scanCondition'), integer(count), part('scanOne'))
  return device(
    '\\_SB_.CPUS',
    part('containerId'),
    method('CTFY', { args: 2 }, ...changed),
    part('states'),
    method(
      'CSCN',
      { args: 0, serialized: true },
      part('scanStart'),
      whileLoop(part('scanLoop'), scanned, part('scanNotify')),
      part('scanEnd'),
    ),
    part('reportStatus'),
    ...all.map(oneProcessor),
  )
}

function oneProcessor(index: number): Uint8Array {
  const apicEntry = buffer(0, 8, index, index, 1, 0, 0, 0)
  return processor(
    processorName(index),
    index,
    method('_STA', { args: 0, serialized: true }, returns(call('CSTA', integer(index)))),
    named('_MAT', apicEntry),
    // The first one is never ejected.
    ...(index === 0 ? [] : [method('_EJ0', { args: 1 }, call('CEJ0', integer(index)))]),
    method('_OST', { args: 3, serialized: true }, call('COST', integer(index), arg(0), arg(1), arg(2))),
  )
}

/** The host bridge; OS disk and disk controller; the interfaces. */
function slots(interfaces: number): Uint8Array[] {
  return Array.from({ length: 3 + interfaces }, (_, slot) => {
    const title = `S${(slot * 8).toString(16).toUpperCase().padStart(2, '0')}_`
    return device(title, named('_ADR', slot === 0 ? integer(0) : dword(slot * 0x1_0000)))
  })
}
