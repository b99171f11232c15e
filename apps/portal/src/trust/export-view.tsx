import { useEffect, useState } from 'preact/hooks'
import { Command } from '../ui/command.tsx'
import type { Shown } from './trust-report.ts'

/** The evidence as files, and the command that judges them without this page. */
export function ExportView({ name, shown }: { name: string; shown: Shown }) {
  const safe = name.replaceAll(/[^A-Za-z0-9-]/g, '_').slice(0, 60)
  const { evidence } = shown.machine
  const files = [
    { file: `${safe}-boot.json`, value: evidence },
    ...(shown.keySet === undefined ? [] : [{ file: `${safe}-certs.json`, value: shown.keySet }]),
  ]
  const names = files.map(({ file }) => file).join(' ')
  const at = 'release' in evidence && typeof evidence.release?.at === 'string' ? ` --at ${evidence.release.at}` : ''
  return (
    <>
      <p class="downloads">
        {files.map(({ file, value }) => (
          <Download key={file} file={file} value={value} />
        ))}
      </p>
      <Command
        label="Command that verifies the files"
        text={`strongroom evidence verify ${names} --anchors anchors.json --ca ca.pem${at}`}
      />
    </>
  )
}

function Download({ file, value }: { file: string; value: unknown }) {
  const [address, setAddress] = useState<string>()
  useEffect(() => {
    const made = URL.createObjectURL(new Blob([JSON.stringify(value)], { type: 'application/json' }))
    setAddress(made)
    return () => URL.revokeObjectURL(made)
  }, [value])
  return address === undefined ? null : (
    <a class="button" href={address} download={file}>
      {file}
    </a>
  )
}
