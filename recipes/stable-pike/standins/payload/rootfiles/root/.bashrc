# Stand-in for root's .bashrc.
if [ -f /etc/bashrc ]; then
    . /etc/bashrc
fi
