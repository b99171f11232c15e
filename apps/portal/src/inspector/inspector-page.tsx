import { Frame } from '../app/shell.tsx'
import { Inspector } from './inspector.tsx'

/** The inspector inside the portal; it needs nobody to be signed in, for it asks the server nothing. */
export function InspectorPage() {
  return (
    <Frame>
      <Inspector />
    </Frame>
  )
}
