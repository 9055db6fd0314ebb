# Stand-in for root's .bash_profile: a login shell reads the same as any other.
if [ -f ~/.bashrc ]; then
    . ~/.bashrc
fi
