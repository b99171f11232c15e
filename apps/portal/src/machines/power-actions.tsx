import { useRef, useState } from 'preact/hooks'
import { navigate } from '../ui/router.ts'
import { Problem } from '../ui/problem.tsx'
import { run, versions } from '../wire/arm.ts'
import { toWireError, type WireError } from '../wire/wire-error.ts'
import { Convert } from './convert.tsx'
import { powerOf, type Machine } from '../resources/machine.ts'

interface Action {
  name: string
  /** Relative to the machine's path; undefined for DELETE. */
  verb: string | undefined
  when: readonly string[]
  /** What it costs or loses. */
  words: string
  danger?: boolean
}

const actions: readonly Action[] = [
  {
    name: 'Start',
    verb: 'start',
    when: ['stopped', 'deallocated'],
    words: 'It boots, and is measured and attested again before its disk unlocks. Its cores are charged from then on.',
  },
  {
    name: 'Restart',
    verb: 'restart',
    when: ['running'],
    words: 'Programs in it end; memory and the temporary disk are lost. It is measured and attested again.',
  },
  {
    name: 'Stop',
    verb: 'powerOff',
    when: ['running'],
    words: 'It shuts down. Memory is lost; disks stay. Its cores stay reserved, and are charged.',
  },
  {
    name: 'Deallocate',
    verb: 'deallocate',
    when: ['running', 'stopped'],
    words:
      'It shuts down and releases its cores: they are no longer charged, and another machine may take them. Disks ' +
      'stay, and are charged. The temporary disk is lost.',
  },
  {
    name: 'Delete',
    verb: undefined,
    when: ['running', 'stopped', 'deallocated', 'starting', 'stopping', 'unknown'],
    words:
      'The machine is deleted with the resources bound to it (deleteOption), usually its OS disk and interfaces, ' +
      'and the key of its guest state: nobody can ever read an encrypted OS disk again, copies included. Other ' +
      'disks and the address stay, and are charged.',
    danger: true,
  },
]

/** Actions available on a machine now, each with its consequences. */
export function PowerActions({ machine, changed }: { machine: Machine; changed: () => void }) {
  const { power } = powerOf(machine.properties.instanceView)
  const [chosen, setChosen] = useState<Action>()
  const [doing, setDoing] = useState<string>()
  const [refused, setRefused] = useState<WireError>()
  const dialog = useRef<HTMLDialogElement>(null)
  const choose = (action: Action): void => {
    setChosen(action)
    dialog.current?.showModal()
  }
  const begin = async (action: Action): Promise<void> => {
    dialog.current?.close()
    setDoing(action.name)
    setRefused(undefined)
    const path = action.verb === undefined ? machine.id : `${machine.id}/${action.verb}`
    const method = action.verb === undefined ? 'DELETE' : 'POST'
    setTimeout(changed, 300)
    await run({ method, path, version: versions.compute }).then(
      () => {
        if (action.verb === undefined) navigate('/')
        else changed()
      },
      (error: unknown) => setRefused(toWireError(error)),
    )
    setDoing(undefined)
  }
  return (
    <>
      <div class="tools">
        {actions.map((action) => (
          <button
            key={action.name}
            type="button"
            class={action.danger === true ? 'danger' : ''}
            disabled={doing !== undefined || !action.when.includes(power)}
            onClick={() => choose(action)}
          >
            {action.name}
          </button>
        ))}
        {machine.properties.securityProfile?.securityType === 'ConfidentialVM' && (
          <Convert machine={machine} changed={changed} />
        )}
      </div>
      <dialog ref={dialog} aria-labelledby="what-it-does">
        <form method="dialog" class="stack">
          <h2 id="what-it-does">
            {chosen?.name} <bdi>{machine.name}</bdi>?
          </h2>
          <p>{chosen?.words}</p>
          <div class="tools">
            <button
              type="button"
              class={chosen?.danger === true ? 'danger' : 'primary'}
              onClick={() => chosen && void begin(chosen)}
            >
              {chosen?.name}
            </button>
            <button>Cancel</button>
          </div>
        </form>
      </dialog>
      {refused !== undefined && <Problem error={refused} what="The action failed." />}
    </>
  )
}
