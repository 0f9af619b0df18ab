"""The commands of `instructkit templates`, one file each; `group` names them."""
